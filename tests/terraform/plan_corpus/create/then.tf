terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "a" {
  triggers = { one = "1", two = "2" }
}
resource "terraform_data" "a" {
  input = { list = ["a", "b"], empty = [], none = null, flag = true, number = 1.5, "a b" = {} }

}
