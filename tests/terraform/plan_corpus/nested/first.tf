resource "terraform_data" "set" {
  input = toset([for p in [80, 443, 8080] : { port = p, cidr = ["10.0.0.0/8"] }])

}
resource "terraform_data" "words" {
  input = toset(["a", "b", "d", "e", "f", "g"])

}
resource "terraform_data" "deep" {
  input = { a = { b = { c = { d = ["x", ["y"]] } } } }

}
resource "terraform_data" "list" {
  input = [{ id = 1, v = "a", w = "x" }, { id = 2, v = "b", w = "x" }, { id = 3, v = "b", w = "x" }]

}
