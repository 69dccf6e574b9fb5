// Package view shows a running App to people: a page with its topology, tasks, errors and checkpoints, and the same as JSON.
//
//	mux.Handle("/weir/", http.StripPrefix("/weir", view.Handler(app, view.Options{})))
//
// The page comes with its scripts and styles, asks no other server, and is a set of plain tables without scripts. It shows names of topics, lines of
// code, settings without secrets, and texts of errors, which may show data: serve it to operators only. docs/live-view.md has the addresses.
package view
