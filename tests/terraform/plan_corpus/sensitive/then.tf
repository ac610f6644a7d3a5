variable "secret" {
  default   = "hush-2"
  sensitive = true
}
resource "terraform_data" "a" {
  input = { password = var.secret, plain = "b" }

}
resource "terraform_data" "b" {
  input = "becomes"

}
resource "terraform_data" "c" {
  input = sensitive("stays")

}
resource "terraform_data" "new" {
  input = var.secret

}
