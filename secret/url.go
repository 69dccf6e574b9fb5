package secret

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
)

// URL is an address that may hold credentials. Its text is the address without user, password, query and fragment. The
// zero value is an empty address. Two of them are compared with Equal: the operator == compares identities.
type URL struct{ text String }

// NewURL returns an address. Nothing is checked: the text of an address that is malformed is "(malformed URL)".
func NewURL(address string) URL { return URL{New(address)} }

// URLs returns addresses.
func URLs(addresses ...string) []URL {
	urls := make([]URL, len(addresses))
	for i, a := range addresses {
		urls[i] = NewURL(a)
	}
	return urls
}

// Reveal returns the whole address.
func (u URL) Reveal() string { return u.text.Reveal() }

// IsZero reports whether the address is empty.
func (u URL) IsZero() bool { return u.text.IsZero() }

// Equal reports whether two addresses are the same, credentials included.
func (u URL) Equal(other URL) bool { return u.text.Equal(other.text) }

// String returns the address without user, password, query and fragment.
func (u URL) String() string {
	if u.IsZero() {
		return ""
	}
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Host == "" { // user:password@host has the scheme "user"
		return "(malformed URL)"
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path, RawPath: parsed.RawPath}).String()
}

// Format implements [fmt.Formatter], for every verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) } // as fmt does

// LogValue implements [slog.LogValuer].
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText implements [encoding.TextMarshaler]. It writes String, which lacks the credentials.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], for configuration files.
func (u *URL) UnmarshalText(text []byte) error {
	*u = NewURL(string(text))
	return nil
}

// WithoutURL returns the cause of an error of net/http or net/url, which name the address with its query and perhaps its
// user, and any other error as it is.
func WithoutURL(err error) error {
	for {
		e, ok := err.(*url.Error) //nolint:errorlint // an error around it holds its text already
		if !ok {
			return err
		}
		err = e.Err
	}
}
