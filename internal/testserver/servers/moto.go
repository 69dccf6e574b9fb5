//go:build unix

package servers

import (
	"context"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// motoMain runs moto with a lock around the method of a shard that says of itself that it is "not safe for concurrency": of two records that
// are put at the same time one would be lost.
const motoMain = `
import sys, threading
from moto.kinesis.models import Shard
from moto.server import main
lock, put = threading.Lock(), Shard.put_record
def put_alone(*args, **kwargs):
    with lock:
        return put(*args, **kwargs)
Shard.put_record = put_alone
main(sys.argv[1:])
`

// Moto is an emulator of services of AWS, with everything in memory. It takes any credentials.
var Moto = server.Server{
	Name:      "moto",
	About:     "moto 5.2.5, an emulator of Kinesis and other services of AWS (Python 3.10, pip)",
	Variables: []string{"WEIR_TEST_MOTO: its address, which takes any credentials"},
	Sources:   []fetch.Source{motoProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, motoProgram)
		if err != nil {
			return err
		}
		port, err := i.Port(ctx)
		if err != nil {
			return err
		}
		address := "http://" + server.Address(port)
		_, err = i.Start(ctx, server.Command{Name: "moto", Env: []string{"PYTHONPATH=" + home}, Args: []string{
			"python3", "-c", motoMain, "-H", "127.0.0.1", "-p", strconv.Itoa(port),
		}}, server.Answers(address+"/moto-api/"))
		if err != nil {
			return err
		}
		i.Export("WEIR_TEST_MOTO", address)
		i.Say("moto ready at %s", address)
		return nil
	},
}
