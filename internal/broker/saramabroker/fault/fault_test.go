package fault

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
)

// TestRefusalsAreToldFromOutages goes through what a broker that does not want us makes the client return, beside what one
// that is away does.
func TestRefusalsAreToldFromOutages(t *testing.T) {
	alert := func(a tls.AlertError) error { return &net.OpError{Op: "remote error", Err: errors.New(a.Error())} }
	for name, tc := range map[string]struct {
		err  error
		want error
	}{
		"a wrong password, with the reason of the broker": {sarama.Wrap(sarama.ErrSASLAuthenticationFailed, errors.New("no")), weir.ErrUnauthorized},
		"a wrong password":                    {sarama.ErrSASLAuthenticationFailed, weir.ErrUnauthorized},
		"a mechanism that the broker has not": {sarama.ErrUnsupportedSASLMechanism, weir.ErrUnauthorized},
		"the broker's certificate":            {&tls.CertificateVerificationError{Err: errors.New("no")}, weir.ErrUnauthorized},
		"our certificate":                     {alert(42), weir.ErrUnauthorized},
		"no certificate":                      {alert(116), weir.ErrUnauthorized},
		"an alert about something else":       {alert(80), weir.ErrUnavailable},
		"an end":                              {io.EOF, weir.ErrUnavailable},
		"a reset":                             {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, weir.ErrUnavailable},
	} {
		if got := Translate(tc.err); !errors.Is(got, tc.want) || !errors.Is(got, tc.err) && !errors.Is(got, sarama.ErrSASLAuthenticationFailed) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		if retriable := IsRetriable(tc.err); retriable != (tc.want == weir.ErrUnavailable) {
			t.Errorf("%s: tried again: %v", name, retriable)
		}
	}
}
