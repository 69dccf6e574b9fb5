// Package web has the rules for HTTP that connectors share: credentials, addresses, and answers that may be shown.
package web

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirstreams/weir/secret"
)

// Auth holds the credentials of requests, as a header, or as a parameter of the query. The zero value has none.
type Auth struct {
	header string
	// parameter is the name of the parameter with the value, if it is not empty.
	parameter string
	value     secret.String
	// hidden are the parts of value that must not be in errors.
	hidden []secret.String
	token  func(context.Context) (secret.String, error)
}

// Bearer sends a token in the header Authorization.
func Bearer(token secret.String) Auth {
	return Auth{header: "Authorization", value: secret.New("Bearer " + token.Reveal()), hidden: []secret.String{token}}
}

// APIKey sends the key of a search engine in the header Authorization.
func APIKey(key secret.String) Auth {
	return Auth{header: "Authorization", value: secret.New("ApiKey " + key.Reveal()), hidden: []secret.String{key}}
}

// BearerFunc is Bearer with a token that expires: the function is asked before each request, by several goroutines at once. It should
// keep the token until it expires.
func BearerFunc(token func(ctx context.Context) (secret.String, error)) Auth {
	return Auth{header: "Authorization", token: token}
}

// Basic sends a user and a password in the header Authorization.
func Basic(user string, password secret.String) Auth {
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password.Reveal()))
	return Auth{header: "Authorization", value: secret.New("Basic " + encoded), hidden: []secret.String{password, secret.New(encoded)}}
}

// Header sends a secret in a header of its own, such as X-Api-Key.
func Header(name string, value secret.String) Auth {
	return Auth{header: http.CanonicalHeaderKey(name), value: value, hidden: []secret.String{value}}
}

// Parameter sends a secret as a parameter of the query, for services that read it nowhere else.
func Parameter(name string, value secret.String) Auth {
	return Auth{parameter: name, value: value, hidden: []secret.String{value, secret.New(url.QueryEscape(value.Reveal()))}}
}

// IsZero reports whether there are no credentials.
func (a *Auth) IsZero() bool { return a.header == "" && a.parameter == "" }

// Check returns the first mistake of a.
func (a *Auth) Check() error {
	switch {
	case a.IsZero():
		return nil
	case a.parameter == "" && !ValidName(a.header):
		return errors.New("the header of Auth has no valid name")
	case a.token == nil && (len(a.hidden) == 0 || a.hidden[0].IsZero()):
		return errors.New("the secret of Auth is empty: is the variable or file that should hold it set?")
	case !ValidValue(a.value.Reveal()):
		return errors.New("the secret of Auth has characters that no header may have, such as the end of a line")
	}
	return nil
}

// Sign sets the header of a request, if the credentials are one, and returns the secrets in it.
func (a *Auth) Sign(ctx context.Context, header http.Header) ([]secret.String, error) {
	if a.parameter != "" {
		return a.hidden, nil
	}
	if a.token == nil {
		if !a.IsZero() {
			header.Set(a.header, a.value.Reveal())
		}
		return a.hidden, nil
	}
	token, err := a.token(ctx)
	if err != nil {
		return nil, err
	}
	signed := Bearer(token)
	if err := signed.Check(); err != nil {
		return nil, err
	}
	header.Set(signed.header, signed.value.Reveal())
	return signed.hidden, nil
}

// Redact replaces secrets in a text.
func Redact(text string, hidden []secret.String) string {
	for _, s := range hidden {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), secret.Mask)
		}
	}
	return text
}

// ValidName reports whether a text may be the name of a header.
func ValidName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	})
}

// ValidValue reports whether a text may be the value of a header.
func ValidValue(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}
