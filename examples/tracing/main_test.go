package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestAnOrderIsOneTrace(t *testing.T) {
	localtest.Expect(t, "tracing", program, want)
}

const want = `place an order (internal)
  process orders (consumer)
    ask for the price (internal)
    create repartition__tracing--orders--customer (producer)
      process repartition__tracing--orders--customer (consumer)
        create totals (producer)
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "tracing", topology(nil)) }
