variable "secret" {
  default   = "hush-1"
  sensitive = true
}
resource "terraform_data" "a" {
  input = { password = var.secret, plain = "a" }

}
resource "terraform_data" "b" {
  input = sensitive("becomes")

}
resource "terraform_data" "c" {
  input = "stays"

}
