// Package materialize makes a directory equal a lock.
package materialize
