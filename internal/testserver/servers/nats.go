//go:build unix

package servers

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// NATS is a NATS server with JetStream, and one beside it with TLS. Users are anonymous, "weir" with the password "right", who may do everything, or "reader" with
// the same password, who may publish nothing but requests to JetStream.
var NATS = server.Server{
	Name:  "nats",
	About: "NATS 2.15.1 with JetStream (Python 3.9, pip)",
	Variables: []string{
		"WEIR_TEST_NATS: the URL of a server for everybody",
		"WEIR_TEST_NATS_TLS: the URL of one with TLS",
		"WEIR_TEST_NATS_CA: a file with the authority of its certificate",
	},
	Sources: []fetch.Source{natsProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, natsProgram)
		if err != nil {
			return err
		}
		if err := writeCertificates(i.Write); err != nil {
			return err
		}
		certificates := filepath.Join(i.Dir, "secure")
		certificate := filepath.Join(certificates, "broker.keystore.pem")
		var addresses [2]string
		for n, secure := range []string{"", fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", certificate, certificate)} {
			port, err := i.Port(ctx)
			if err != nil {
				return err
			}
			name := fmt.Sprint("nats", n)
			addresses[n] = server.Address(port)
			file, err := i.Write(name+".conf", fmt.Sprintf(`server_name: %s
listen: %q
jetstream { store_dir: %q, max_memory_store: 256MB, max_file_store: 1GB }
authorization {
	users: [
		{ user: weir, password: right }
		{ user: reader, password: right, permissions: { publish: "$JS.API.>", subscribe: ">" } }
	]
}
no_auth_user: weir
%s`, name, addresses[n], filepath.Join(i.Dir, name), secure))
			if err != nil {
				return err
			}
			_, err = i.Start(ctx, server.Command{Name: name, Args: []string{filepath.Join(home, "bin", "nats-server"), "-c", file}}, server.Prints("Server is ready"))
			if err != nil {
				return err
			}
		}
		i.Export("WEIR_TEST_NATS", "nats://"+addresses[0])
		i.Export("WEIR_TEST_NATS_TLS", "tls://"+addresses[1])
		i.Export("WEIR_TEST_NATS_CA", filepath.Join(certificates, "ca.pem"))
		i.Say("NATS ready at %s", addresses[0])
		return nil
	},
}
