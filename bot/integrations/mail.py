"""E-mail by SMTP: one message to all recipients of a destination, as plain text and as HTML."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from html import escape

from bot.domain.errors import ReceiverAway, ReceiverError, ReceiverRefused
from bot.domain.notifications.messages import Message, MessageLine, one_line
from bot.services.ports import MailServer

_TIMEOUT = 15.0


def mail_of(message: Message, server: MailServer, to: Sequence[str]) -> EmailMessage:
    """Return the mail. `EmailMessage` refuses line breaks in headers; titles have none."""
    mail = EmailMessage()
    mail["Subject"] = f"[plangate] {one_line(message.title)}"
    mail["From"] = server.sender
    mail["To"] = ", ".join(to)
    mail["Date"] = formatdate()
    # The same for each attempt, so that mail programs show a repeated message once.
    mail["Message-ID"] = f"<{message.id}@{server.sender.rpartition('@')[2]}>"
    # No answers from vacation notices. Source: RFC 3834.
    mail["Auto-Submitted"] = "auto-generated"
    rest = [message.rest] if message.rest else []
    texts = [f"{line.workspace} {line.words}\n{line.url}".strip() for line in message.lines]
    mail.set_content("\n\n".join([message.title, *texts, *rest, message.url]) + "\n")
    mail.add_alternative(_html(message), subtype="html")
    return mail


def send_mail(mail: EmailMessage, server: MailServer) -> str:
    """Send a mail. Raises ReceiverAway, ReceiverRefused."""
    try:
        with _connected(server) as session:
            if server.user:
                session.login(server.user, server.password)
            refused = session.send_message(mail)
    except smtplib.SMTPAuthenticationError as error:
        raise ReceiverRefused(f"the mail server refuses our login ({error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise _by_code(codes[0] if codes else 550, "every recipient was refused") from None
    except smtplib.SMTPResponseException as error:
        raise _by_code(error.smtp_code, "the mail server refused the message") from None
    except (smtplib.SMTPException, OSError) as error:
        raise ReceiverAway(f"the mail server can't be reached ({type(error).__name__})") from None
    return f"accepted, but not for {len(refused)} recipients" if refused else "accepted"


def _connected(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.implicit_tls:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=context)
    session = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)
    try:
        session.ehlo()
        if session.has_extn("starttls"):
            session.starttls(context=context)
            session.ehlo()
        elif not server.here:
            raise ReceiverRefused("the mail server offers no encryption (STARTTLS)")
    except BaseException:
        session.close()
        raise
    return session


def _by_code(code: int, what: str) -> ReceiverError:
    """Codes from 400 to 499 are temporary. Source: RFC 5321, 4.2.1."""
    return (
        ReceiverAway(f"{what} for now ({code})") if code // 100 == 4 else ReceiverRefused(f"{what} ({code})")
    )


def _html(message: Message) -> str:
    items = "".join(f"<li>{_item(line)}</li>" for line in message.lines)
    rest = f"<p>{escape(message.rest)}</p>" if message.rest else ""
    title = f'<a href="{escape(message.url)}">{escape(message.title)}</a>'
    return f"<!doctype html><html><body><h3>{title}</h3><ul>{items}</ul>{rest}</body></html>"


def _item(line: MessageLine) -> str:
    words = escape(f"{line.workspace} {line.words}".strip())
    return f'<a href="{escape(line.url)}">{words}</a>' if line.url else words
