resource "terraform_data" "a" {
  input = { size = 1, name = "web", list = ["a", "b", "d"], same = "x" }

}
resource "terraform_data" "b" {
  input = "before"

}
resource "terraform_data" "c" {
  input = "gone"

}
resource "terraform_data" "d" {
  input = "another type"

}
