// Package solver chooses one version for each package that is needed.
//
// # The problem
//
// The root requires names in ranges; so does each version of a package. A solution has one version for each name that
// the root comes to need, and no other names, such that every requirement of the root and of every chosen version
// holds. Cycles are allowed. A version that requires its own name must satisfy that itself. Ranges hold prereleases. An
// override replaces every range that anybody asks of its name. A yanked version is chosen only where it is locked, or
// where the root or an override asks for exactly it.
//
// # The answer
//
// Of all solutions, Solve looks for one that is best in this order:
//
//  1. Packages to upgrade (Problem.Unlock) are as new as can be.
//  2. As many locked versions are kept as in any solution (Problem.Locked; Problem.Prefer does not count).
//  3. No solution is better for one package and worse for none that both have. Of two versions of a package the locked one
//     is the better, else the newer.
//
// The first solution that is found is valid, and nearly always good; improve.go makes it best, within limits that
// count steps and reads. At the limits the best so far is the answer. Thus small and middling problems are proven; in
// the largest and hardest the answer is valid, and as good as the limits allow. The answer depends on the problem and on what the provider
// says, never on time, on chance, or on the order in which the provider answers.
//
// # The algorithm
//
// It is PubGrub's idea in the form of a SAT solver. A package with n versions is a variable with n+1 states: its versions
// in ascending order, and "not chosen". A set of states is a bit set, and ranges map to sets exactly, once for each distinct set (sets.go).
// A clause is an incompatibility, terms that cannot all hold: "a in {1, 2} and b not in {3, 4}" says that versions 1 and 2 of a require
// b 3 or 4. Versions that require the same share a clause. The engine (engine.go, clause.go, conflict.go, order.go) knows only packages by
// number, sets and clauses:
//
//   - Unit propagation with two watched terms a clause: where all terms but one hold, that one is excluded.
//   - A conflict is resolved back to the first step of its level that implies it (first UIP); what follows is learned as a clause, and the
//     search jumps back to where that clause would have said something.
//   - Packages in recent conflicts are decided first (their activity decays), weighed against the number of versions left.
//   - A package that lost its version in a jump tries that version first when it is decided again. After very many conflicts a package
//     tries the version that most others allow, rather than the newest.
//   - A jump undoes no more than some levels beyond what it must.
//   - Restarts follow Luby's sequence. Learned clauses that join many levels are forgotten when there are many.
//
// The resolver (resolver.go, search.go) reads versions and requirements when the search comes to need them, and turns them into clauses. The
// fetcher (fetch.go) asks ahead, several questions at once: for what is newly required, for the next versions of a package of
// which many were rejected, and, as answers arrive, for what the version needs that will probably be chosen (guess.go).
//
// Invariants:
//
//   - Every clause is implied by requirements that were read, or names the variable of the improvement pass that it belongs to.
//   - A version is chosen only when its requirements were read and are clauses.
//   - The trail holds each narrowing of a domain with the clause that caused it; levels are places on the trail.
//   - What is asked ahead decides nothing, and is bounded. An error counts only when its answer is needed.
//   - The context is looked at every pollEvery steps. Memory is in proportion to what was read: learned clauses are bounded by the others.
//
// # Sources
//
//   - PubGrub: Natalie Weizenbaum, "PubGrub: Next-Generation Version Solving" (2018), and doc/solver.md of dart-lang/pub; the pubgrub-rs guide
//     for its priorities and its proofs.
//   - CDCL: Marques-Silva and Sakallah, "GRASP" (1999); Moskewicz et al., "Chaff" (2001), for watches and activity; Eén and
//     Sörensson, "An Extensible SAT-solver" (2003), for MiniSat's shape and its assumptions; Audemard and Simon (2009) for the measure of what
//     is forgotten; Pipatsrisawat and Darwiche (2007) for saved choices.
//   - Jumps that are cut short: Nadel and Ryvchin, "Chronological Backtracking" (2018).
//   - Restarts: Luby, Sinclair and Zuckerman, "Optimal Speedup of Las Vegas Algorithms" (1993).
//   - Counting: Sinz, "Towards an Optimal CNF Encoding of Boolean Cardinality Constraints" (2005).
//
// # Cases of your own
//
// go test ./solver -run TestCases -args -cases FILE... solves the cases in files and prints the ids of those that fail; see cases_test.go and
// docs/solver.md for the form.
package solver
