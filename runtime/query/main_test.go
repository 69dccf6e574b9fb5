package query_test

import (
	"testing"

	"github.com/weirstreams/weir/internal/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.VerifyTestMain(m) }
