// Package solver chooses one version for each package.
package solver
