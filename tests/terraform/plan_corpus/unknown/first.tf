resource "terraform_data" "a" {
  input = "x"

}
resource "terraform_data" "b" {
  input = { known = "x", unknown = "y", list = ["a", "b"] }

}
