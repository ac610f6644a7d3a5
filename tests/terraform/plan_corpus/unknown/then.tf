resource "terraform_data" "a" {
  input = timestamp()

}
resource "terraform_data" "b" {
  input = { known = "x", unknown = terraform_data.a.output, list = ["a", terraform_data.a.output] }

}
output "later" {
  value = { a = terraform_data.a.output, b = "x" }
}
