// Package secrettest finds secrets in everything that prints a value.
package secrettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// TB is as much of a testing.TB as is needed.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Verbs are all verbs of package fmt but %T and %p, which print no value, with flags that change how values are printed.
var Verbs = []string{
	"%v", "%+v", "%#v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%b", "%o", "%O", "%c", "%U", "%e", "%g", "%t", "%20s", "%-20v", "%w", "%z",
}

// Hidden fails the test where one of the secrets is in the text of value, of a pointer to it, or of a struct that holds it,
// in an exported or an unexported field: by each verb of fmt, in JSON, and in the output of the handlers of log/slog.
func Hidden(tb TB, value any, secrets ...string) {
	tb.Helper()
	type inside struct{ value any }
	type Outside struct{ Value any }
	for _, holder := range []any{value, &value, []any{value}, map[string]any{"k": value}, inside{value}, &inside{value}, Outside{value}, &Outside{value}} {
		for _, verb := range Verbs {
			Absent(tb, fmt.Sprintf("%T by %s", holder, verb), fmt.Sprintf(verb, holder), secrets...)
		}
		if text, err := json.Marshal(holder); err == nil {
			Absent(tb, fmt.Sprintf("%T as JSON", holder), string(text), secrets...)
		} else {
			Absent(tb, fmt.Sprintf("error of %T as JSON", holder), err.Error(), secrets...)
		}
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			log := slog.New(handler)
			log.Info("any", "value", holder)
			log.With("value", holder).WithGroup("group").Info("with", slog.Group("g", "value", holder))
		}
		Absent(tb, fmt.Sprintf("%T in a log", holder), out.String(), secrets...)
	}
}

// Absent fails the test if one of the secrets is in a text, as it is or, if it is longer than 4 bytes, in hexadecimal digits.
func Absent(tb TB, what, text string, secrets ...string) {
	tb.Helper()
	plain := strings.NewReplacer(" ", "", "0x", "", "0X", "", ",", "").Replace(strings.ToLower(text))
	for _, s := range secrets {
		if strings.Contains(text, s) || len(s) > 4 && strings.Contains(plain, fmt.Sprintf("%x", s)) {
			tb.Errorf("the secret %q is in %s: %s", s, what, text)
		}
	}
}
