terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
data "null_data_source" "a" {
  inputs = { id = null_resource.a.id }
}
resource "null_resource" "a" {}
