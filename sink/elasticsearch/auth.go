package elasticsearch

import (
	"context"

	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
)

// Auth holds the credentials of requests. The zero value has none.
type Auth struct{ credentials web.Auth }

// Basic sends a user and a password.
func Basic(user string, password secret.String) Auth { return Auth{web.Basic(user, password)} }

// APIKey sends an API key of Elasticsearch: the text that the service calls "encoded".
func APIKey(encoded secret.String) Auth { return Auth{web.APIKey(encoded)} }

// Bearer sends a token, such as that of a service account.
func Bearer(token secret.String) Auth { return Auth{web.Bearer(token)} }

// BearerFunc is Bearer with a token that expires: the function is asked before each request, by several goroutines at once. It should
// keep the token until it expires.
func BearerFunc(token func(ctx context.Context) (secret.String, error)) Auth {
	return Auth{web.BearerFunc(token)}
}
