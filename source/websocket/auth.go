package websocket

import (
	"context"

	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
)

// Auth holds the credentials of the handshake. The zero value has none.
type Auth struct{ credentials web.Auth }

// Bearer sends a token in the header Authorization.
func Bearer(token secret.String) Auth { return Auth{web.Bearer(token)} }

// BearerFunc is Bearer with a token that expires: the function is asked before each handshake, by several goroutines at once.
func BearerFunc(token func(ctx context.Context) (secret.String, error)) Auth {
	return Auth{web.BearerFunc(token)}
}

// Basic sends a user and a password in the header Authorization.
func Basic(user string, password secret.String) Auth { return Auth{web.Basic(user, password)} }

// Header sends a secret in a header of its own, such as X-Api-Key.
func Header(name string, value secret.String) Auth { return Auth{web.Header(name, value)} }
