//go:build unix

// Package server starts the servers that a command needs, runs the command, and stops them.
package server

import (
	"context"

	"github.com/weirstreams/weir/internal/testserver/fetch"
)

// Server describes a kind of server.
type Server struct {
	Name      string         // on the command line
	About     string         // one line for people
	Variables []string       // environment variables that it sets for the command
	Sources   []fetch.Source // everything that Start may fetch
	// Start starts the server and returns when it serves. It is called again, with another instance, if the log says that
	// a port was taken in between. Servers start side by side.
	Start func(ctx context.Context, i *Instance) error
}
