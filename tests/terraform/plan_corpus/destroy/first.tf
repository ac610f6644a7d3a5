resource "terraform_data" "counted" {
  input = count.index
  count = 2
}
resource "terraform_data" "named" {
  input    = each.key
  for_each = toset(["a", "b c"])
}
resource "terraform_data" "plain" {
  input = "x"
  count = 1
}
resource "terraform_data" "gone" {
  input = { list = ["a"], map = { a = "b" }, text = "one\ntwo", json = "{\"a\":[1]}" }

}
