resource "terraform_data" "a" {
  input = { "with space" = 1, "quo\"te" = 2, "line\nbreak" = 3, "u\u2028s" = 4 }

}
resource "terraform_data" "b" {
  input    = each.key
  for_each = toset(["x\" will be destroyed", "\u202eabc"])
}
