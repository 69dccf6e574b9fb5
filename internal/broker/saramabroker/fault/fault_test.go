package fault

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
)

// TestRefusalsAreToldFromOutages goes through what a broker that does not want us makes the client return, beside what one
// that is away does.
func TestRefusalsAreToldFromOutages(t *testing.T) {
	alert := func(a tls.AlertError) error { return &net.OpError{Op: "remote error", Err: errors.New(a.Error())} }
	for name, tc := range map[string]struct {
		err  error
		want error
	}{
		"a wrong password, with the reason of the broker": {sarama.Wrap(sarama.ErrSASLAuthenticationFailed, errors.New("no")), broker.ErrUnauthorized},
		"a wrong password":                    {sarama.ErrSASLAuthenticationFailed, broker.ErrUnauthorized},
		"a mechanism that the broker has not": {sarama.ErrUnsupportedSASLMechanism, broker.ErrUnauthorized},
		"the broker's certificate":            {&tls.CertificateVerificationError{Err: errors.New("no")}, broker.ErrUnauthorized},
		"our certificate":                     {alert(42), broker.ErrUnauthorized},
		"no certificate":                      {alert(116), broker.ErrUnauthorized},
		"an alert about something else":       {alert(80), broker.ErrUnavailable},
		"an end":                              {io.EOF, broker.ErrUnavailable},
		"a reset":                             {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, broker.ErrUnavailable},
	} {
		if got := Translate(tc.err); !errors.Is(got, tc.want) || !errors.Is(got, tc.err) && !errors.Is(got, sarama.ErrSASLAuthenticationFailed) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		if retriable := IsRetriable(tc.err); retriable != (tc.want == broker.ErrUnavailable) {
			t.Errorf("%s: tried again: %v", name, retriable)
		}
	}
}
