resource "terraform_data" "a" {
  input = null

}
resource "terraform_data" "b" {
  input = "new"

}
import {
  to = terraform_data.a
  id = "an id"
}
import {
  to = terraform_data.b
  id = "b"
}
