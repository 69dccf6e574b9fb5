package objecttest

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// runFaults runs tests by their names, each below a prefix of its own.
func runFaults(t *testing.T, s *Store, tests map[string]func(t *testing.T, s *Store, prefix string)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test(t, s, "fault-"+strings.ToLower(regexp.MustCompile(`[^A-Za-z]+`).ReplaceAllString(name, "-")))
		})
	}
}

// ConnectFails checks that a sink does not connect, that the error has texts and, unless it is nil, is another one, and that no attempt follows.
func ConnectFails[K, V any](t *testing.T, s sink.Sink[K, V], is error, texts ...string) {
	t.Helper()
	err := s.Connect(t.Context())
	if err == nil {
		t.Fatal("the sink has connected")
	}
	for _, want := range texts {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("the error is not %v: %v", is, err)
	}
	if errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("the start waits for ever: %v", err)
	}
}
