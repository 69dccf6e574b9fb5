package main

import (
	"os"
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

// Ann has not enough for t3.
func TestTheLedgerIsBalanced(t *testing.T) {
	server := os.Getenv("WEIR_TEST_POSTGRES")
	if server == "" {
		t.Skip("needs a PostgreSQL: go run github.com/weirstreams/weir/internal/testserver postgres -- go test ./ledger")
	}
	t.Setenv("POSTGRES_URL", server)
	localtest.Expect(t, "ledger", program, want)
}

const want = `t1 ann -60.00
t1 bob +60.00
t2 bob -10.00
t2 cat +10.00
t4 ann -40.00
t4 bob +40.00
sum: 0
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "ledger", topology("", "bank"))
}
