resource "terraform_data" "counted" {
  input = count.index
  count = 1
}
resource "terraform_data" "named" {
  input    = each.key
  for_each = toset(["a"])
}
resource "terraform_data" "plain" {
  input = "x"

}
