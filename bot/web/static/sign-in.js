// Takes the password from the address's fragment, which no server ever sees, and sends the form with it.
const enter = () => {
  const password = location.hash.slice(1);
  if (!password) return;
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("password").value = password;
  document.getElementById("sign-in").submit();
};
enter();
// In a tab that shows this page already, another fragment loads nothing.
addEventListener("hashchange", enter);
