// Package transport is opkg's one HTTP client: what every request to a registry has in common.
//
//   - https; http only to this machine, or to a registry that the user's own file marks insecure.
//   - HTTP/2 and keep-alive; proxies from the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case.
//   - Few connections (gate): one where the server speaks HTTP/2; else 8, and up to 64 to a server that does not answer at once.
//   - Redirects: at most MaxRedirects; never from https to http, never to anything but http and https, never
//     further into the network than the registry itself (a public registry cannot send a client to 127.0.0.1,
//     to 10.0.0.1 or to a cloud's 169.254.169.254, neither by address nor by a name that resolves to one). Once a redirect
//     has left the registry's origin, no credentials are sent any more. There are no cookies and no Referer.
//   - No limit on a whole request, which would break large files: a connection, a header and each
//     pause have a limit, and the rate of a body has a floor (Limits).
//   - Network errors, 408, 425, 429 and 5xx are retried, a few times, with exponential backoff and jitter. Retry-After
//     is honoured, in seconds or as a date; one beyond Limits.MaxWait fails at once and names the wait.
//   - A download that breaks is continued, with Range and If-Range where the server has said what
//     its answer is a version of, and else from the start: the bytes that came before must come again, or it fails.
//   - Sizes are bounded, and held against Content-Length. Archives are asked for with Accept-Encoding: identity and
//     taken as they come, whatever Content-Encoding is said about them: their SHA-256 tells.
//
// Nothing here knows what a package is.
package transport
