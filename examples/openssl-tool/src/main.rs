//! `openssl-tool version`            the OpenSSL inside
//! `openssl-tool digest FILE`        its SHA-256
//! `openssl-tool certificate NAME`   a self-signed certificate for NAME, with its key

use std::error::Error;
use std::process::ExitCode;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

const DAYS: u32 = 30;

fn digest(path: &str) -> Result<String, Box<dyn Error>> {
    let digest = hash(MessageDigest::sha256(), &std::fs::read(path)?)?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn certificate(name: &str) -> Result<String, Box<dyn Error>> {
    let key = PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?.as_ref())?)?;
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();

    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_subject_name(&subject)?;
    certificate.set_issuer_name(&subject)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(DAYS)?.as_ref())?;
    let names = SubjectAlternativeName::new().dns(name).build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(names)?;
    certificate.sign(&key, MessageDigest::sha256())?;

    let mut pem = certificate.build().to_pem()?;
    pem.extend(key.private_key_to_pem_pkcs8()?);
    Ok(String::from_utf8(pem)?)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["version"] => Ok(openssl::version::version().to_owned()),
        ["digest", path] => digest(path),
        ["certificate", name] => certificate(name),
        _ => {
            eprintln!("usage: openssl-tool version | digest FILE | certificate NAME");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("openssl-tool: {error}");
            ExitCode::FAILURE
        }
    }
}
