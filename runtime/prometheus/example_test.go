package prometheus_test

import (
	"net/http"

	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/prometheus"
	"github.com/weirstreams/weir/stream"
)

func Example() {
	_ = serve(http.NewServeMux(), stream.NewTopology(), runtime.Config{})
}

// serve makes an App whose metrics Prometheus scrapes.
func serve(mux *http.ServeMux, topology *stream.Topology, config runtime.Config) error {
	exporter, err := prometheus.New()
	if err != nil {
		return err
	}
	mux.Handle("/metrics", exporter.Handler())
	config.MeterProvider = exporter.MeterProvider()
	_, err = runtime.New(topology, config)
	return err
}
