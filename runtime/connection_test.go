package runtime_test

import (
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
)

func TestAnAppDoesNotPrintSecretsOfItsConnection(t *testing.T) {
	t.Parallel()
	app, err := runtime.New(pipeline{input: "in", output: "out"}.topology(), runtime.Config{
		Group: "g",
		Connection: kafka.Connection{
			Brokers:          []string{"localhost:9092"},
			SecurityProtocol: "sasl_plaintext", SASL: kafka.SASL{Mechanism: "PLAIN", Username: "u", Password: secret.New("secret-1")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	secrettest.Hidden(t, app, "secret-")
}

func TestNewSaysWhatIsWrongWithItsConnection(t *testing.T) {
	t.Parallel()
	_, err := runtime.New(pipeline{input: "in", output: "out"}.topology(), runtime.Config{
		Group: "g", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}, SecurityProtocol: "ssl", TLS: kafka.TLS{CALocation: "/no/ca"}},
	})
	if err == nil || !strings.Contains(err.Error(), "CALocation: open /no/ca") {
		t.Errorf("got %v", err)
	}
}
