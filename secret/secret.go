// Package secret has the types of settings that must not be shown: passwords, tokens, keys, and addresses with credentials
// in them. Package fmt, log/slog, encoding/json and everything else that asks values for their text get asterisks, also where
// a value lies in an unexported field, which fmt prints without asking it. Only Reveal returns the text.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mask is shown in place of a secret.
const Mask = "******"

// String is secret text. The zero value is an empty one. Two of them are compared with Equal: the operator == compares
// identities.
type String struct{ kept *kept }

// kept holds the text in a closure: packages that print by reflection follow pointers, but cannot look into functions.
type kept struct{ reveal func() string }

// New returns text as a secret.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{&kept{func() string { return text }}}
}

// Reveal returns the text.
func (s String) Reveal() string {
	if s.kept == nil {
		return ""
	}
	return s.kept.reveal()
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.kept == nil }

// Equal reports whether two secrets have the same text. The time it takes depends on their lengths alone.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns asterisks, or nothing if the text is empty.
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return Mask
}

// Format implements [fmt.Formatter], for every verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // as fmt does

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler]. It writes asterisks, which cannot be read back.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], for configuration files.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
