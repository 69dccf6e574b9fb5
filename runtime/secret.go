package runtime

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is text that is never printed: package fmt, log/slog and JSON show asterisks. Reveal returns the text.
type Secret string

const mask = "******"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns asterisks, or nothing if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format implements [fmt.Formatter], for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // as fmt does

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler]: what it writes cannot be read back.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
