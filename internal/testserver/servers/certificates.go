//go:build unix

package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certified is a certificate with its key.
type certified struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeCertificates writes an authority (ca.pem), a broker's keystore (broker.keystore.pem), and a client's certificate
// and key (client.pem, client.key) into the folder secure.
func writeCertificates(write func(name, content string) (string, error)) error {
	authority, err := certify("authority", nil)
	if err != nil {
		return err
	}
	broker, err := certify("broker", authority)
	if err != nil {
		return err
	}
	client, err := certify("client", authority)
	if err != nil {
		return err
	}
	brokerKey, err := broker.keyPEM()
	if err != nil {
		return err
	}
	clientKey, err := client.keyPEM()
	if err != nil {
		return err
	}
	for _, file := range []struct{ name, content string }{
		{"ca.pem", authority.pem()},
		{"broker.keystore.pem", brokerKey + broker.pem() + authority.pem()},
		{"client.pem", client.pem()},
		{"client.key", clientKey},
	} {
		if _, err := write("secure/"+file.name, file.content); err != nil {
			return err
		}
	}
	return nil
}

// certify makes a certificate for 127.0.0.1, signed by the authority; without one it is an authority itself.
func certify(name string, authority *certified) (*certified, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	signer := &certified{certificate: template, key: key}
	if authority == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		signer = authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, &key.PublicKey, signer.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &certified{certificate: certificate, key: key}, nil
}

func (c *certified) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw}))
}

func (c *certified) keyPEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}
