resource "terraform_data" "a" {
  input = { size = 2, name = "web", list = ["a", "c", "d"], same = "x" }

}
resource "terraform_data" "b" {
  input = "after"

}
resource "terraform_data" "c" {
  input = null

}
resource "terraform_data" "d" {
  input = [1, 2]

}
