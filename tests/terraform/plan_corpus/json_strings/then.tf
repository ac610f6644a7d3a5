resource "terraform_data" "a" {
  input = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = "*" }] })

}
resource "terraform_data" "new" {
  input = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })

}
resource "terraform_data" "spaces" {
  input = "{\"a\": 1}"

}
resource "terraform_data" "no_more" {
  input = "plain"

}
resource "terraform_data" "list" {
  input = jsonencode([1, { a = null }])

}
