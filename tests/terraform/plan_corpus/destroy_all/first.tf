resource "terraform_data" "a" {
  input = ["x", { y = 1 }]

}
