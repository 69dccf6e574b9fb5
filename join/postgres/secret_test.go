package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/join/postgres"
)

func TestErrorsOfOpenShowNoPassword(t *testing.T) {
	for _, address := range []string{
		"postgres://user:s3cret@127.0.0.1:1/shop",
		"postgres://user:s3cret@%zz/shop",
		"postgres://user:s3cret@127.0.0.1:port/shop",
		"postgres://user:s3cret@127.0.0.1:1/shop?sslmode=wrong",
		"postgres://user:s3cret@127.0.0.1:1/shop?connect_timeout=x",
		"postgres://127.0.0.1:1/shop?user=user&password=s3cret&sslmode=wrong",
		"host=127.0.0.1 port=1 user=user password=s3cret",
		"host=127.0.0.1 port=x user=user password=s3cret",
		"host=127.0.0.1 port=1 user=user password='s3cret",
		"user:s3cret@127.0.0.1",
	} {
		_, err := postgres.Open(t.Context(), address, postgres.Config{ConnectTimeout: time.Second})
		if err == nil {
			t.Errorf("%s was opened", address)
			continue
		}
		secrettest.Absent(t, "the error for "+address, fmt.Sprintf("%v %+v %#v", err, err, err), "s3cret")
	}
}
