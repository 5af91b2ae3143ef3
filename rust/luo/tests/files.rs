// SPDX-License-Identifier: GPL-2.0

//! Files by token, numbered in whatever order.

use kernel::prelude::*;

use super::*;

/// A file with a token, and what it contains.
#[derive(Debug, PartialEq)]
struct Numbered(u64, u64);

impl HasToken for Numbered {
    fn token(&self) -> u64 {
        self.0
    }
}

/// Adds files with these tokens, in this order.
fn with_tokens(tokens: impl Iterator<Item = u64>) -> Result<Files<Numbered>> {
    let mut files = Files::new();

    for token in tokens {
        files.push(Numbered(token, token + 1000))?;
    }
    Ok(files)
}

#[kunit_tests(liveupdate_luo_files)]
mod suite {
    use super::*;

    #[test]
    fn files_are_found_by_token_in_whatever_order_they_came() -> Result {
        let up = with_tokens(0..100)?;
        let down = with_tokens((0..100).rev())?;
        // 37 and 100 have no divisor in common: each number comes once.
        let mixed = with_tokens((0..100).map(|token| token * 37 % 100))?;

        assert!(up.by_token.is_none());
        assert!(down.by_token.is_some() && mixed.by_token.is_some());
        for mut files in [up, down, mixed] {
            for token in 0..100 {
                assert_eq!(
                    files.find_mut(token),
                    Some(&mut Numbered(token, token + 1000))
                );
            }
            assert_eq!(files.find_mut(100), None);
            assert_eq!(files.len(), 100);
        }
        Ok(())
    }

    #[test]
    fn a_token_that_is_taken_stays_with_its_file() -> Result {
        // Taken by the last one, by one before it, and by one of those that have an index.
        for tokens in [[1, 5, 9], [9, 1, 5]] {
            let mut files = with_tokens(tokens.into_iter())?;

            for token in tokens {
                assert_eq!(files.push(Numbered(token, 7)), Err(EEXIST));
                assert_eq!(
                    files.find_mut(token),
                    Some(&mut Numbered(token, token + 1000))
                );
            }
            assert_eq!(files.len(), 3);
            files.push(Numbered(6, 6))?;
            files.push(Numbered(u64::MAX, 6))?;
            assert!(files.contains(6) && files.contains(u64::MAX) && !files.contains(7));
        }
        Ok(())
    }

    #[test]
    fn files_come_back_last_one_first_and_leave_their_tokens() -> Result {
        for tokens in [[1, 5, 9], [9, 1, 5]] {
            let mut files = with_tokens(tokens.into_iter())?;

            for token in tokens.into_iter().rev() {
                assert_eq!(files.pop(), Some(Numbered(token, token + 1000)));
                assert!(!files.contains(token));
            }
            assert_eq!(files.pop(), None);
            files.push(Numbered(5, 0))?;
            assert!(files.contains(5));
        }
        Ok(())
    }
}
