terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "a" {
  triggers = { one = "1", two = "2" }
}
resource "terraform_data" "a" {
  input            = "x"
  triggers_replace = [1]
}
resource "terraform_data" "b" {
  input            = "x"
  triggers_replace = [1]
  lifecycle {
    create_before_destroy = true
  }
}
