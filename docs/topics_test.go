package docs

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
)

// show does what the page says.
func show(ctx context.Context, app *runtime.App) error {
	plan, err := app.Plan(ctx)
	if err != nil {
		return err
	}
	fmt.Print(plan)
	return nil
}

func TestConnectionsAreConfiguredAsThePageSays(t *testing.T) {
	password := "secret"
	config := runtime.Config{
		Group: "alerts",
		Connection: kafka.Connection{
			Brokers:          []string{"kafka-1:9093", "kafka-2:9093"},
			SecurityProtocol: "sasl_ssl",
			SASL:             kafka.SASL{Mechanism: "SCRAM-SHA-512", Username: "alerts", Password: secret.New(password)},
			TLS:              kafka.TLS{CALocation: "/etc/kafka/ca.pem"},
		},
	}
	if _, err := runtime.New(Topology(), config); err == nil {
		t.Error("a certificate that is not there was taken")
	}
	_ = show
}
