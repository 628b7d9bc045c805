// Package cas keeps checked bytes once.
package cas
