(* The quadratic law of a linear symmetry of the loss, for every number of parameters.

   Phi s is a differentiable family of linear maps with Phi 0 = 1, and A its derivative at s = 0 (Phi s = exp(s A) is
   one). If A is symmetric and the loss does not change along Phi, L(Phi s x) = L(x), then along theta' = - grad L(theta)
   - lam theta, on every interval of time,
       Q = theta^T A theta    satisfies    Q t = e^(-2 lam (t - s)) Q s.
   Scaling one layer up and the next down is such a symmetry, with A = diag(1, -1): that is balancedness. Of the gradient
   only the chain rule is used: along every curve of parameters, L' = <grad L, curve'>. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets functions reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Import numFieldTopology.Exports numFieldNormedType.Exports.
Local Open Scope classical_set_scope.
Local Open Scope ring_scope.

Section Symmetry.
Variables (R : realType) (d : nat) (loss : 'cV[R]_d -> R) (grad : 'cV[R]_d -> 'cV[R]_d) (A : 'M[R]_d).
Implicit Types (x y : 'cV[R]_d).

Definition inner x y : R := (x^T *m y) 0 0.

(* The chain rule along every differentiable curve of parameters. *)
Definition is_gradient := forall c c', mderives setT c c' ->
  derives setT (fun s => loss (c s)) (fun s => inner (grad (c s)) (c' s)).

Definition symmetry (Phi Phi' : R -> 'M[R]_d) :=
  [/\ mderives setT Phi Phi', Phi 0 = 1%:M, Phi' 0 = A & forall s x, loss (Phi s *m x) = loss x].

(* The gradient is orthogonal to the direction in which the symmetry moves the parameters. *)
Theorem gradient_is_orthogonal_to_symmetry Phi Phi' : is_gradient -> symmetry Phi Phi' ->
  forall x, inner (grad x) (A *m x) = 0.
Proof.
move=> chain [dPhi Phi0 Phi'0 invariant] x.
have curve : mderives setT (fun s => Phi s *m x) (fun s => Phi' s *m x).
  apply: mderives_eq (mderivesM dPhi (@mderives_cst _ _ _ setT x)) _ => s _.
  by rewrite mulmx0 addr0.
have := chain _ _ curve 0 I; rewrite Phi0 Phi'0 mul1mx => lim.
have flat : derives_at setT (fun s => loss (Phi s *m x)) 0 0.
  by apply: near_eq_at (cvg_cst 0) => s _; rewrite !invariant subrr mul0r.
have proper : ProperFilter (near_in (setT : set R) 0).
  have E : near_in (setT : set R) 0 = 0^'.
    rewrite /near_in /dnbhs; f_equal; by rewrite predeqE => s; split=> [[]|].
  rewrite E; exact: Proper_dnbhs_numFieldType.
exact: (@cvg_unique _ (@norm_hausdorff _ [normedModType R of R^o]) _ (fmap_proper_filter _ proper) _ _ lim flat).
Qed.

Section Law.
Variables (I : set R) (lam : R) (theta : R -> 'cV[R]_d).

Theorem symmetry_law Phi Phi' : is_interval I -> is_gradient -> symmetry Phi Phi' -> A^T = A ->
  mderives I theta (fun t => - grad (theta t) - lam *: theta t) ->
  forall s t, I s -> I t ->
    inner (theta t) (A *m theta t) = expR (- (2 * lam) * (t - s)) * inner (theta s) (A *m theta s).
Proof.
move=> iI chain sym symA flow.
have dA : mderives I (fun t => A *m theta t) (fun t => A *m (- grad (theta t) - lam *: theta t)).
  apply: mderives_eq (mderivesM (@mderives_cst _ _ _ I A) flow) _ => t It.
  by rewrite mul0mx add0r.
pose Q t := inner (theta t) (A *m theta t).
suff dQ : derives I Q (fun t => - (2 * lam) * Q t) by exact: linear_law iI dQ.
pose Q' t := inner (- grad (theta t) - lam *: theta t) (A *m theta t) +
             inner (theta t) (A *m (- grad (theta t) - lam *: theta t)).
have dQ : derives I Q Q'.
  have H := mderivesM (mderivesT flow) dA; have {}H : derives I Q _ := H 0 0.
  by apply: derives_eq H _ => t It; rewrite mxE.
apply: derives_eq dQ _ => t It; rewrite /Q' /Q.
have zero := gradient_is_orthogonal_to_symmetry chain sym (theta t).
have -> : inner (theta t) (A *m (- grad (theta t) - lam *: theta t)) =
          inner (- grad (theta t) - lam *: theta t) (A *m theta t).
  move: (- grad (theta t) - lam *: theta t) => y; move: (theta t) => x.
  rewrite /inner; have -> : x^T *m (A *m y) = (y^T *m (A *m x))^T by rewrite !trmx_mul trmxK symA mulmxA.
  by rewrite mxE.
have -> : inner (- grad (theta t) - lam *: theta t) (A *m theta t) = - lam * inner (theta t) (A *m theta t).
  move: zero; rewrite /inner trmxD !trmxN trmxZ mulmxDl !mulNmx -scalemxAl.
  by rewrite [(_ + _ : 'M_1) _ _]mxE [(- _ : 'M_1) _ _]mxE => ->; rewrite !mxE oppr0 add0r mulNr.
ring.
Qed.
End Law.
End Symmetry.

Print Assumptions gradient_is_orthogonal_to_symmetry.
Print Assumptions symmetry_law.
