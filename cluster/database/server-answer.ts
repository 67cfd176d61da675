/**
 * What MariaDB's client says of an error that the server sends before TLS is agreed on, "too many connections" first of all (seen with 10.11.19). It gives it
 * a number of its own, 2002, as it does where nobody listens; and yet the server has answered. MySQL's client tells the server's number.
 */
export const ANSWERED_BEFORE_TLS = 'Received error packet before completion of TLS handshake';
