package solver

// noSolution explains that the search found no solution.
func (r *resolver) noSolution() *NoSolutionError {
	s := newStudy(r)
	s.shrink()
	e := &NoSolutionError{}
	if end := s.derive(); end != nil {
		e.Proof = s.proof(end)
	} else {
		e.Clashes = r.clashes()
	}
	return e
}
