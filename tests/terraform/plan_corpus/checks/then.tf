resource "terraform_data" "a" {
  input = "x"

}
check "health" {
  assert {
    condition     = terraform_data.a.input == "y"
    error_message = "It is not y.\nIt is x."
  }
}
check "later" {
  assert {
    condition     = terraform_data.a.id == "y"
    error_message = "never"
  }
}
check "fine" {
  assert {
    condition     = terraform_data.a.input == "x"
    error_message = "never"
  }
}
