terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "a" {}
resource "terraform_data" "user" {
  input = null_resource.a.id

}
