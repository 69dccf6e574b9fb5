package influxdb3_test

import (
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/influxdb3"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

var (
	quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}
	login   = influxdb3.Bearer(secret.New(influxtest.Token))
)

type options = influxdb3.Options[string, map[string]any]
