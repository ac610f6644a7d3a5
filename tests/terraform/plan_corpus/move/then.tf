resource "terraform_data" "b" {
  input = "x"

}
resource "terraform_data" "d" {
  input = "z"

}
moved {
  from = terraform_data.a
  to   = terraform_data.b
}
moved {
  from = terraform_data.c
  to   = terraform_data.d
}
